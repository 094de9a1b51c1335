"""Pictures -> priors: prompts and captions, edges, poses, colours."""
