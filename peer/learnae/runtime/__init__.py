"""Drives peers in virtual or real time: carries out their actions and reports the results as events."""
