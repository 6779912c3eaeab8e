"""The kernel in virtual time: a scenario goes in, and what became of its pods and their data comes out."""

from scheduler.simulate.running import ours as ours
from scheduler.simulate.running import run as run
