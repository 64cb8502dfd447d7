"""Charts, page elements and styles that the live page and the report share."""
