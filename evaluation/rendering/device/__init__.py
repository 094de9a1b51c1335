"""The report of `layercast models check --report`: what a model does on one device, part by part."""
