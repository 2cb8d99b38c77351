"""The built-in demo models and the scripts that made them.

Everything here is made by this project: the data comes from grammars in this folder and the
weights from the training scripts beside them. They are demos and say so. Nothing heavy is
imported at this door, and the trained folders are read through the same path as any other model.
"""
