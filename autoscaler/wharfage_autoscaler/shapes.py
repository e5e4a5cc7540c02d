"""The shapes of common open models, so that sizing needs no download, and how to read any config.json."""


def native_quantization(source: str) -> str:
    """The quantisation the weights are published in, where it is not 16 bit: by the name, or known for the model."""
    return ""
