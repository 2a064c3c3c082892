"""Installs apex_tf.

The pins are one combination that was seen working; BUILD_NOTES.md says why each
of them is what it is. `make setup` installs requirements.lock, which `make
lock` compiles from this file.
"""

import setuptools

_REQUIREMENTS = [
    # TensorFlow, and what is built against its C++ symbols.
    'tensorflow==2.8.4',
    'tensorboard==2.8.0',
    'dm-reverb==0.7.3',
    'dm-launchpad==0.5.0',
    'dm-acme==0.4.0',
    'dm-sonnet==2.0.2',
    # What TensorFlow 2.8 expects as it was in its own time.
    'numpy==1.23.5',
    'protobuf==3.19.6',
    'setuptools==81.0.0',
    # Environments; the Atari games are inside ale-py.
    'ale-py==0.12.1',
    'dm-env==1.6',
    'gymnasium==1.4.0',
    # Configuration, processes, status, pages, pictures and intervals.
    'absl-py==2.5.1',
    'jinja2==3.1.6',
    'matplotlib==3.10.9',
    'ml-collections==1.1.0',
    'pillow==12.3.0',
    'psutil==7.2.2',
    'rich==15.0.0',
    'scipy==1.15.3',
]

_EXTRAS = {
    'control': [
        'dm-control==1.0.50',
        'gymnasium[mujoco]==1.4.0',
        'mujoco==3.17.0',
    ],
    'minatar': ['minatar==1.0.15'],
    'video': ['imageio==2.38.0', 'imageio-ffmpeg==0.8.1', 'pygame==2.6.1'],
    'dev': [
        'hypothesis==6.168.5',
        'kubernetes-validate==1.37.0',
        'mypy==2.4.1',
        'pip-tools==7.6.2',
        'portpicker==1.6.0',
        'pytest==9.2.0',
        'pytest-xdist==3.8.0',
        'pyyaml==6.0.3',
        'ruff==0.17.6',
        'types-psutil==7.2.2.20261111',
    ],
}

setuptools.setup(
    name='apex_tf',
    version='0.1.0',
    description='Ape-X, distributed prioritized experience replay, on '
    'TensorFlow 2, Reverb, Acme and Launchpad.',
    author='The apex_tf Authors',
    license='Apache-2.0',
    python_requires='>=3.10,<3.11',
    packages=setuptools.find_namespace_packages(
        include=['apex_tf', 'apex_tf.*', 'configs', 'launch']),
    package_data={'apex_tf.reports': ['page.html']},
    install_requires=_REQUIREMENTS,
    extras_require=_EXTRAS,
)
