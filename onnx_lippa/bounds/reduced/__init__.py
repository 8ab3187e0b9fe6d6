"""A question with everything folded that its input box decides: affine maps and unstable ReLUs."""
