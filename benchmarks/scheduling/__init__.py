"""What schedulers do in turn on one real API server: rates, latencies, costs. Run by `make bench`.

work        the pods and nodes of each kind of work, the same for every contender
storage     volumes and claims to them
claims      devices and claims to them
belongings  what some kinds of work need in their cluster
world       the cluster, and what is made and removed in it
contenders  how each scheduler is started and ended
turns       one contender at one piece of work, from start to the last Event
procfs      CPU and memory of processes
figures     medians, spreads and ratios
report      JSON, Markdown and a plot
"""
