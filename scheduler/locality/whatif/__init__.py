"""`kubectl locality what-if`: a change tried on the cluster as decisions see it, before it is made.

``changes`` are what may be changed, ``altering`` makes the changed world of one, ``ground`` is the state that decides
in either, ``judging`` decides the recent pods there, ``comparing`` tells the two apart.
"""
