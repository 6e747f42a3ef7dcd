#!/bin/sh
# Makes an image of static files: one layer in an OCI layout. Needs no Docker and no rights. For a Dockerfile put the
# task of `oci-build-task` here (`privileged: true`); it writes image/image.tar, too.
set -eu

mkdir -p rootfs/srv layout/blobs/sha256
cp -R app/site rootfs/srv
git -C app rev-parse HEAD > rootfs/srv/site/commit

digest() { sha256sum "$1" | cut -d ' ' -f 1; }

# Moves a file to where its digest says. Prints how others refer to it.
blob() {
  sum=$(digest "$2")
  mv "$2" "layout/blobs/sha256/$sum"
  size=$(($(wc -c < "layout/blobs/sha256/$sum")))
  echo "{\"mediaType\": \"application/vnd.oci.image.$1\", \"digest\": \"sha256:$sum\", \"size\": $size}"
}

case $(uname -m) in
  aarch64 | arm64) architecture=arm64 ;;
  *) architecture=amd64 ;;
esac
tar -cf layer.tar -C rootfs .
diff_id=sha256:$(digest layer.tar)
layer=$(blob layer.v1.tar layer.tar)
cat > config.json << END
{"architecture": "$architecture", "os": "linux", "config": {"WorkingDir": "/srv"}, "rootfs": {"type": "layers", "diff_ids": ["$diff_id"]}}
END
config=$(blob config.v1+json config.json)
cat > manifest.json << END
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": $config, "layers": [$layer]}
END
manifest=$(blob manifest.v1+json manifest.json)
echo '{"imageLayoutVersion": "1.0.0"}' > layout/oci-layout
echo "{\"schemaVersion\": 2, \"manifests\": [$manifest]}" > layout/index.json
tar -cf image/image.tar -C layout .
echo "made $manifest"
