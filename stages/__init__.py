"""The staged toolkit: shared rooms (tasks, vlm, views, frames, bundle) and the stages that use them."""
