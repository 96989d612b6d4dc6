"""The gRPC server around an engine."""
