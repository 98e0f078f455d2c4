"""PromptMID: descriptors from a diffusion model and a vision backbone, guided by land-use prompts."""
