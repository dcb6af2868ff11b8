import CNSSModule
