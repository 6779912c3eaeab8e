"""Which pods go where if they are placed together: arrays in, arrays out.

problem      what is asked and answered
solver       how an answer is found, of the parts below
limits       what there is room for, and what follows from it in whole units
table        the problem made ready, and transfers those of its flows
standing     where the pods stand while a plan is sought
sharing      what their transfers take from each other
greedy       one pod at a time
prices       what is scarce and at what price, and what that proves; loads the same for links
overfull     where room is scarce: more pods placed, and for less, by way of nodes that hold more than fits
exchange     local search: moves, swaps, chains
rearranging  local search: a few pods at a time, put back in the best way by putback
budget       work by count
"""
