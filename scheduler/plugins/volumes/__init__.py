"""What a pod's volumes ask of its node: disks and claims to itself, zones, drivers with room, volumes to be had."""
