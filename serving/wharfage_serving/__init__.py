"""What runs in the engine's pod: what vLLM is started with, and how it is drained."""
