"""Which pods go where if they are placed together: arrays in, arrays out.

problem      what is asked and answered
solver       how an answer is found, of the parts below
table        the problem made ready
standing     where the pods stand while a plan is sought
sharing      what transfers take from each other
greedy       one pod at a time
prices       what is scarce and at what price; what that proves
exchange     local search: moves, swaps, chains
rearranging  local search: a few pods at a time, put back in the best way by putback
budget       work by count
"""
