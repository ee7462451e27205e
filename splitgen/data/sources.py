"""placeholder"""
import gzip, numpy as np, torch
from splitgen.data.dataset import make_dataset
def load_fashion(folder="/usr/share/datasets/fashion-mnist"):
    im=np.frombuffer(gzip.open(folder+"/train-images-idx3-ubyte.gz").read(),np.uint8,offset=16).reshape(-1,1,28,28)
    y=np.frombuffer(gzip.open(folder+"/train-labels-idx1-ubyte.gz").read(),np.uint8,offset=8)
    return make_dataset("idx:fashion-mnist",torch.from_numpy(im.copy()),y,raw=[im.tobytes(),y.tobytes()])
def load_digits():
    from sklearn.datasets import load_digits as ld
    d=ld(); return make_dataset("digits",torch.from_numpy(d.images.astype(np.float32))[:,None],d.target,raw=[d.images.tobytes()])
