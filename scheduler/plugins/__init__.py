"""Every rule of scheduling as a whole: one file or folder each, known to the others by ``contract`` alone.

``registry`` is the one list of them. To add a rule, write one new file like those here and name it there once.
"""
