# firedrill with a Redis beside it. It is put together from what the machine has, so that it needs no registry:
#
#   .ci/image            builds the binary, collects what it needs, and makes the image firedrill:local
#   docker run --rm -v "$PWD:/work" firedrill:local run --rules alerts drills
FROM scratch
COPY . /
ENV PATH=/usr/bin HOME=/tmp
WORKDIR /work
ENTRYPOINT ["firedrill"]
