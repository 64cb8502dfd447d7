"""The live page: its empty HTML, and the parts that fill it while a session runs."""
