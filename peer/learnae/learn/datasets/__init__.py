"""Where rows come from, and which peer gets which."""
