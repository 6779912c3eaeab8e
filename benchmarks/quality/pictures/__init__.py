"""Pictures of the comparison as SVG that stands in a page: its colours are the page's, so that one is light and dark.

drawing    marks, axes and scales
bytes      what is moved how far, by arm
standing   makespans of others beside ours, a mark for each piece of work
gantt      one run: what each node does when, and what moves meanwhile
tradeoff   what one goal costs the other
"""
