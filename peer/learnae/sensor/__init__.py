"""The program of a sensor: reads rows and publishes them on a feed; small enough for a small device."""
