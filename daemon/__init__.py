"""The node daemon: finds the stores of its node and writes down what they hold and what the node can do."""
