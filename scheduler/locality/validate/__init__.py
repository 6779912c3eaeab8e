"""`kubectl locality validate`: what is wrong with manifests and configuration files, without a cluster.

Values are read by what reads them when the product runs, so that nothing here has rules of its own but for where things
stand: in which file, at which line, in which kind of object.
"""
