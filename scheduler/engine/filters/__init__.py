"""One hard rule a module: (snapshot, request, settings) to a Verdict, or None where it refuses no node.

Names, codes and reasons of rules that kube-scheduler has too are its own (v1.37), so that users, cluster autoscalers
and dashboards read what they know.
"""
