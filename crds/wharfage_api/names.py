"""Names that Kubernetes accepts, and references by name within the same namespace."""

from typing import Annotated

from pydantic import Field, StringConstraints

from wharfage_api.part import Checked, Part, Rule

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL = f"^{_LABEL}$"
DNS_NAME = f"^{_LABEL}([.]{_LABEL})*$"
LABEL_KEY = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"

ShortName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=DNS_LABEL),
    Checked(
        Rule(
            f"self.matches('{DNS_LABEL}')",
            "write a name of lower-case letters, digits and '-', such as fp8 or chat-small",
        )
    ),
]
"""A DNS label: at most 63 characters."""

ObjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=DNS_NAME),
    Checked(
        Rule(f"self.matches('{DNS_NAME}')", "write the name of an object: lower-case letters, digits, '-' and '.'")
    ),
]
"""The name of a Kubernetes object: at most 253 characters."""

KeyName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$"),
    Checked(
        Rule(
            "self.matches('^[-._a-zA-Z0-9]+$')",
            "write the key inside the Secret or ConfigMap: letters, digits, '-', '_' and '.'",
        )
    ),
]
"""A key of a Secret or ConfigMap."""

LabelKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=317, pattern=LABEL_KEY),
    Checked(
        Rule(
            f"self.matches('{LABEL_KEY}')",
            "write a label's key: letters, digits, '-', '_' and '.', with a prefix such as example.com/ or without",
        )
    ),
]
LabelValue = Annotated[
    str,
    StringConstraints(max_length=63, pattern=LABEL_VALUE),
    Checked(Rule(f"self.matches('{LABEL_VALUE}')", "write a label's value: letters, digits, '-', '_' and '.'")),
]
KEYS_WRITTEN = Rule(
    f"self.all(k, k.matches('{LABEL_KEY}'))",
    "write keys of letters, digits, '-', '_' and '.', with a prefix such as example.com/ or without",
)
"""A rule on a map whose keys are those of labels or annotations."""

Labels = Annotated[dict[str, LabelValue], Checked(KEYS_WRITTEN)]
"""Labels or a selector of labels."""

AbsolutePath = Annotated[
    str,
    StringConstraints(min_length=2, max_length=255, pattern="^/[A-Za-z0-9._/-]+$"),
    Checked(
        Rule(
            "self.startsWith('/') && !self.contains('..') && !self.endsWith('/')",
            "write an absolute path without '..' and without '/' at its end, such as /opt/engine",
        )
    ),
]
"""A path inside the engine's container."""


class SecretKey(Part):
    """One key of a Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this object.")
    key: KeyName = Field(description="Key inside the Secret whose value is used.")


class SecretName(Part):
    """A Secret in the same namespace, by name."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this object.")


class ConfigMapKey(Part):
    """One key of a ConfigMap in the same namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the namespace of this object.")
    key: KeyName = Field(description="Key inside the ConfigMap whose value is used.")
