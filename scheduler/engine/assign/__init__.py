"""Which pods go where if they are placed together: arrays in, arrays out.

problem      what is asked and answered
solver       how an answer is found, of the parts below
table        the problem made ready
standing     where the pods stand while a plan is sought
sharing      what transfers take from each other
greedy       one pod at a time
exchange     local search
budget       work by count
"""
