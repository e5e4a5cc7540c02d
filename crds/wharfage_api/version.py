"""The group and version every object of the API carries."""

GROUP = "wharfage.dev"
VERSION = "v1alpha1"
