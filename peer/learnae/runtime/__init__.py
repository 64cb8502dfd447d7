"""What moves a peer: virtual or real time, and the calls that carry out its actions."""
