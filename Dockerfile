# The flows and what they need, for work pools of the types docker and kubernetes, and for a worker in a container.
#   docker build -t hamsa-calls:0.1.0 .
#   docker run -e PREFECT_API_URL=… hamsa-calls:0.1.0 prefect worker start --pool hamsa-calls
# In prefect.yaml use the pull step for an image, and a Call Ledger block with a PostgreSQL URL: this disk goes away.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DO_NOT_TRACK=1

WORKDIR /app

# Requirements change seldom: their layer is kept as long as they do not.
COPY requirements.txt ./
RUN pip install -r requirements.txt

COPY . .
# Makes Prefect find the blocks by their entry point. An editable install is a path to this folder.
RUN pip install --no-deps --editable . \
    && useradd --create-home --uid 1000 calls \
    && chown -R calls /app
USER calls

# A run's job replaces this with `prefect flow-run execute`.
CMD ["prefect", "worker", "start", "--pool", "hamsa-calls", "--type", "process"]
