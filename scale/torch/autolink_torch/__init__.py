"""AutoLink's model in PyTorch: `model` is the network, `module` trains it with Lightning, `files` reads and writes its files."""
