"""From a clip's frames to the images that the network takes.

Pure functions, which a live page may use frame by frame: `faces.find_faces`, `alignment.align_face`,
`flow.flow_image`, `regions.rectangles` and `regions.mask`. `inputs` makes the images of one clip from its files;
`prepare` those of many, on all cores, through the cache.
"""
