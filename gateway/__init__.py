"""OpenAI's REST in, gRPC out."""
