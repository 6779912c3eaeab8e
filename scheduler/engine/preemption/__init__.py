"""What removing pods of lower priority comes to for a pod that no node takes: kube-scheduler's DefaultPreemption.

``outlook`` holds what is found out, as values. Nothing is carried out here.
"""
