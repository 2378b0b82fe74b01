#!/usr/bin/env python3
"""Packs uncompressed layer tars into an OCI archive that `ctr images import` takes.

oci.py NAME:TAG OUT.tar LAYER.tar... [--entrypoint PROGRAM] [--env K=V]... [--user UID]
The same layers give the same bytes. Which files are in the layers is `build`'s business.
"""
import argparse
import hashlib
import io
import json
import tarfile

PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
OCI = 'application/vnd.oci.image.'


def options():
    p = argparse.ArgumentParser()
    p.add_argument('name')
    p.add_argument('out')
    p.add_argument('layers', nargs='+')
    p.add_argument('--entrypoint')
    p.add_argument('--env', action='append', default=[])
    p.add_argument('--user', default='')
    return p.parse_args()


def file_digest(path):
    with open(path, 'rb') as f:
        digest = hashlib.file_digest(f, 'sha256')
        return 'sha256:' + digest.hexdigest(), f.tell()


def blob(document):
    data = json.dumps(document).encode()
    return data, 'sha256:' + hashlib.sha256(data).hexdigest()


def main():
    o = options()
    layers = [(path, *file_digest(path)) for path in o.layers]
    config, config_digest = blob({
        'architecture': 'amd64', 'os': 'linux', 'created': '2026-01-01T00:00:00Z',
        'config': {'Entrypoint': [o.entrypoint] if o.entrypoint else None, 'User': o.user, 'Env': [PATH] + o.env},
        'rootfs': {'type': 'layers', 'diff_ids': [digest for _, digest, _ in layers]}})
    manifest, manifest_digest = blob({
        'schemaVersion': 2, 'mediaType': OCI + 'manifest.v1+json',
        'config': {'mediaType': OCI + 'config.v1+json', 'digest': config_digest, 'size': len(config)},
        'layers': [{'mediaType': OCI + 'layer.v1.tar', 'digest': digest, 'size': size} for _, digest, size in layers]})
    index, _ = blob({
        'schemaVersion': 2,
        'manifests': [{
            'mediaType': OCI + 'manifest.v1+json', 'digest': manifest_digest, 'size': len(manifest),
            'platform': {'architecture': 'amd64', 'os': 'linux'},
            'annotations': {'io.containerd.image.name': o.name,
                            'org.opencontainers.image.ref.name': o.name.rpartition(':')[2]}}]})
    with tarfile.open(o.out, 'w') as archive:
        def put(name, size, content):
            entry = tarfile.TarInfo(name)
            entry.size = size
            archive.addfile(entry, content)

        put('oci-layout', 30, io.BytesIO(b'{"imageLayoutVersion":"1.0.0"}'))
        put('index.json', len(index), io.BytesIO(index))
        for data, digest in ((config, config_digest), (manifest, manifest_digest)):
            put('blobs/sha256/' + digest[7:], len(data), io.BytesIO(data))
        for path, digest, size in layers:
            with open(path, 'rb') as content:
                put('blobs/sha256/' + digest[7:], size, content)


main()
