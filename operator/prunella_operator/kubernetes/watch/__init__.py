"""Lists and watches of many objects, in protobuf or JSON."""
