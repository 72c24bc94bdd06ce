"""The shipped tiny models of the built-in world, as half-precision safetensors."""
