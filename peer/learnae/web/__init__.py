"""What a peer and a swarm show of themselves over HTTP: FastAPI on uvicorn."""
