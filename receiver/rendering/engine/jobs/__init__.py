"""The jobs of an engine: how one picture is rendered, by denoising or by restoration."""
