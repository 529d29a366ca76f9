"""Reference-free 2D classification of cryo-EM particle images: plain arrays in, plain arrays out."""
