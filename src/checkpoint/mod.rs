//! Models as safetensors, under the names of the authors' state dict.
