"""The service: what arrives is queued, decided one at a time, bound concurrently and reported."""
