"""The flows: sentences made of tasks. One file per flow, which is also a deployment's entrypoint."""
