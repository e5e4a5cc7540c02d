"""How a model's weights divide into those that every step reads, the experts, and the output head."""

from dataclasses import dataclass

from wharfage_autoscaler.model import ModelShape

_GATED = 3  # matrices of a gated feed-forward layer


@dataclass(frozen=True, slots=True)
class Weights:
    """Counts of weights. `dense` is read in every step, `experts` as far as they are touched, `head` for sampling.

    `per_token` is what one token is multiplied with, the head apart.
    """

    dense: float
    experts: float
    head: float
    per_token: float


def weights(shape: ModelShape) -> Weights:
    """The division that follows from the sizes and the two parameter counts of a shape."""
    head = float(shape.vocabulary_size * shape.hidden_size)
    attention = 2.0 * shape.hidden_size * (shape.attention_heads + shape.kv_heads) * shape.head_dimension
    if not shape.experts_total:
        dense = shape.layers * (attention + _GATED * shape.hidden_size * shape.ffn_size)
        dense = max(0.0, min(dense, shape.parameters - head))
        return Weights(dense, 0.0, head, dense)
    # What the experts hold follows from the two counts: all weights less those of one token's experts.
    share = shape.experts_active / shape.experts_total
    experts = (shape.parameters - shape.active_parameters) / (1.0 - share) if share < 1 else 0.0
    embeddings = head if _tied(shape, experts) else 2 * head
    dense = max(0.0, shape.active_parameters - experts * share - embeddings)
    return Weights(dense, experts, head, dense + experts * share)


def _tied(shape: ModelShape, experts: float) -> bool:
    """Whether embedding and head are one matrix: then too little is left beside experts and attention for two."""
    head = shape.vocabulary_size * shape.hidden_size
    if shape.kv_bytes_per_token:  # the attention of latent models is not known from their sizes; none of them ties
        return False
    attention = 2.0 * shape.hidden_size * (shape.attention_heads + shape.kv_heads) * shape.head_dimension
    return shape.parameters - experts - shape.layers * attention < 1.5 * head
