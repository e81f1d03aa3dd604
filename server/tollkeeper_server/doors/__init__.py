"""The ways in: gRPC, Connect, REST and the console."""
