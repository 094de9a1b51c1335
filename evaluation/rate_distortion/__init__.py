"""Rate and distortion of layercast and of other formats, picture by picture."""
