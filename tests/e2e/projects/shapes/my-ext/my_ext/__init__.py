from my_ext._C import BUILT_FOR as BUILT_FOR
