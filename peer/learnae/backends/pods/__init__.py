"""What the backends share that give each peer a pod: files, faults, link agents and event streams."""
